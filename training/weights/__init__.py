"""Pretrained encoders: weights of ordinary networks under their usual names, brought into a supernet."""
