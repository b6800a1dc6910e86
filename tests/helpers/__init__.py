"""Networks, images and coding schemes for tests."""
