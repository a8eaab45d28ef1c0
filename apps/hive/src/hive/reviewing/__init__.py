"""What tasks have left in their workspaces: look at it, take it over, send it back, clean it up."""
