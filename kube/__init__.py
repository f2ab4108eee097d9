"""The words every room speaks: typed objects, kinds, selectors, patches, errors; and the client, informers and work queues."""
