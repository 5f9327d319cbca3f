"""Where records live, and the lease that fences them."""
