"""What the network does, seen through the API only: upstream's conformance tests of [sig-network] told in our words."""
