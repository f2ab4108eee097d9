"""Links, addresses, routes and the overlay, over netlink."""
