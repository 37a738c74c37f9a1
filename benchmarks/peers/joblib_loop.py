"""A parallel loop by hand."""

import joblib
import work

if __name__ == "__main__":
    points, rows = work.points(), work.rows()
    scores = joblib.Parallel(n_jobs=work.WORKERS)(joblib.delayed(work.score)(point, rows) for point in points)
    work.tell(zip(points, scores, strict=True))
