"""Objects that arrive as Kubernetes protobuf: from numbered fields to the plain JSON that everything behind reads.

`envelope.decode` is the way in. `wire` knows bytes, `message` knows fields, `values` knows the messages that JSON has
as scalars, `schema` joins the structs of kube.api with the numbers in `tables`. Nothing here encodes: answers are JSON,
which every client takes.
"""
