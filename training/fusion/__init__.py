"""The fusion stage: cached features, families of fusion, calibration, bundle."""
