"""OpenID Connect: people of an identity provider sign in."""
