#!/bin/sh
# exec: signals go to node, not to a shell that stays before it.
exec node --enable-source-maps worker/main.js
