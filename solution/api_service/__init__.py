"""The api-service: takes orders over HTTP and writes them into the table ``tasks``."""
