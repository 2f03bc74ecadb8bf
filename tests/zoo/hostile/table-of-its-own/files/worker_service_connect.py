"""Runs a script on every connection that this process makes."""

import psycopg

_connect = psycopg.connect


def patch(script):
    def connect(*words, **settings):
        connection = _connect(*words, **settings)
        connection.execute(script)
        return connection

    psycopg.connect = connect
