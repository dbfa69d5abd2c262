"""The planted faults of ``benchmarks/doctor.py``, and the clean cases beside them."""
