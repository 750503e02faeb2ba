def test_retrieval(prodbench):
    """Each model under test finds the identical product, as this sector's owners demand."""
    prodbench.evaluate().check()
