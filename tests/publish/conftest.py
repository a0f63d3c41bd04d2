from tests.support.hub_client import client, hub

__all__ = ["client", "hub"]
