"""What stands between the application and the network: each wraps the next and knows no route."""
