"""What commands about tasks share: the way to a Hive, which tasks are meant, why they wait."""
