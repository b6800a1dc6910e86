"""What happens from image to image: first steps, counts, decisions."""
