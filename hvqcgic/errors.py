"""The errors of hvqcgic: each message is one line that names the thing, the value found and the way out.

HvqcgicError
├── BitstreamError (ValueError)     a `.hvq` stream cannot be read
│   ├── BadMagic                    it is not a `.hvq` stream at all
│   ├── UnsupportedVersion          its format version is not known to this reader
│   ├── Truncated                   it ends too early
│   ├── Checksum                    its bytes have changed since they were written
│   └── ModelMismatch               it was made with another model
├── ModelError (ValueError)         a model is unknown, damaged, or cannot be frozen exactly
├── PictureError (ValueError)       a picture cannot be read, or is of a kind or size that is not taken
├── ConfigError (ValueError)        a setting, or a combination of settings, is not allowed
│   └── MissingPackage              a package that an extra of hvqcgic brings is not installed
├── Unreachable (ValueError)        one picture cannot have what was asked for: a rate, a region
├── OutputError                     a result cannot be written
│   └── OutputExists                there is a file already, and replacing it was not asked for
└── WorkerDied                      a worker process ended before its file was done

PictureWarning (UserWarning)        a picture was taken, but not all of it
"""


class HvqcgicError(Exception):
    """Base of every error that hvqcgic raises on purpose."""


class BitstreamError(HvqcgicError, ValueError):
    """A `.hvq` stream cannot be read."""


class BadMagic(BitstreamError):
    """The data do not start as a `.hvq` stream does."""


class UnsupportedVersion(BitstreamError):
    """The stream has a format version that this reader does not know."""


class Truncated(BitstreamError):
    """The stream ends before everything that it announces."""


class Checksum(BitstreamError):
    """The stream's CRC-32 does not fit its bytes."""


class ModelMismatch(BitstreamError):
    """The stream was made with another model than the one that reads it."""


class ModelError(HvqcgicError, ValueError):
    """A model is unknown, its file is damaged, or it cannot be frozen exactly."""


class PictureError(HvqcgicError, ValueError):
    """A picture cannot be read, or its kind or size is not taken."""


class ConfigError(HvqcgicError, ValueError):
    """A setting, or a combination of settings, is not allowed."""


class MissingPackage(ConfigError):
    """A package is not installed that hvqcgic does without in most of its commands; an extra brings it."""


class Unreachable(HvqcgicError, ValueError):
    """A picture cannot have what was asked for: a rate or quality is out of reach, a region lies outside."""


class OutputError(HvqcgicError):
    """A result cannot be written."""


class OutputExists(OutputError):
    """A result would replace a file, which was not asked for."""


class WorkerDied(HvqcgicError):
    """A worker process ended before its file was done, or cannot be started."""


class PictureWarning(UserWarning):
    """A picture was taken, but something of it was left out or guessed."""
