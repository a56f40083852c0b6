-- What started a run, where it was not simply asked for. JSON: {kind: rerun | replay | schedule | webhook, run?, from?, trigger?}

alter table runs add column origin text collate "C";
