"""A saved model as files: arrays that are checked before they are used, ids, the manifest, the swap of folders."""
