"""The conformance kit: is an estimator what it says it is?"""
