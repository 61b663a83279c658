"""Operations on pixels: augmentation, recolouring and contact sheets."""
