"""The API's description in OpenAPI's terms."""
