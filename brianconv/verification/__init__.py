"""Verification: does Brian2 compute what an independent torch simulation computes?"""
