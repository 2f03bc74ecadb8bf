"""The api-service, without a framework."""
