"""What every module may use: errors, identifiers, time. Standard library only."""
