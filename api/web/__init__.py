"""The web pages: what approvers and on-call engineers see and press. Rooms by page; rules stay in the API's services."""
