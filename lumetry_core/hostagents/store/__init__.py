"""What the area keeps."""
