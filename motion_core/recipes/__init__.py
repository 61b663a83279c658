"""Published methods of motion customisation, each as a combination of the same choices. One short file a method."""
