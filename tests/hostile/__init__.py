"""Bad requests, attacks through output, and faults, against whole applications."""
