"""The work of the library on clusters: Ray and Spark."""
