"""The network between pods, Services and the edge of the cluster; nothing here needs kernel privileges."""
