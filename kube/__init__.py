"""The words every room speaks: typed objects, kinds, selectors, patches, errors, the client and its informers."""
