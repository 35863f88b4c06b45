"""The pages of ``docs/reference``, made from the code: ``python -m reference`` writes them anew.

They are committed, so that they can be read where the code is; ``tests/house`` compares them.
"""
