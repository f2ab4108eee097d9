"""The three ways to patch an object: JSON patch, merge patch, strategic merge patch."""
