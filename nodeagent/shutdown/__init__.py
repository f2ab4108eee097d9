"""What a node does when its machine is about to be switched off."""
