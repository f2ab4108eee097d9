"""What pods and the node use, measured when somebody asks, in the forms that people and Prometheus read."""
