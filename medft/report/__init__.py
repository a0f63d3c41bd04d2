"""Reports: curves, tables and pages made from run folders."""
