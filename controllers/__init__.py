"""What should exist: each module reconciles one kind."""
