-- Words that are templates; versions as those of categories.
CREATE TABLE template (
    app bigint NOT NULL,
    name text NOT NULL,
    definition json NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (app, name)
);
