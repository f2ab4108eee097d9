"""The wire: CRI v1 and the part of etcd's API that is used."""
