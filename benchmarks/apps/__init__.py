"""The same endpoints in each framework, one file for each.

Every file has `APPLICATIONS`, name -> function that builds an application, and may have `INTERFACE`, "asgi" where it
is missing, and `LEFT_OUT`, the cases that the framework has nothing for -> why.
"""
