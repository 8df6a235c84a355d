"""The conformance kit: does an estimator do what it claims?"""
