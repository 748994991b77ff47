"""The web pages: what approvers and on-call engineers see and press. Rules stay in the services of the API."""
