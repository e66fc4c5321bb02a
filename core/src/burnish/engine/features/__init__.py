"""Features: extracted once through a frozen backbone, kept in the cache, looked after."""
