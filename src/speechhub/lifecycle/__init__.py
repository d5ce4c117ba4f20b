"""Who is on which device, and who may use it: pure decisions (`scheduler`), and one owner (`manager`)."""
