"""Doors that lead elsewhere: to the agents of nodes, and to what runs in pods, behind Services and on nodes."""
