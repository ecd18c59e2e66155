"""The demo: simulated users make a real search engine better, through its HTTP API."""
