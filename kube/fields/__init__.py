"""Which fields an object has, which of them two objects differ in, and who manages them. Plain functions of values."""
