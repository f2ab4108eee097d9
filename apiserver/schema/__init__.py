"""What the API looks like, for clients that ask: OpenAPI v3 and v2, made from the types, with words for fields."""
