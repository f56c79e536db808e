-- Erased items are few: runs that are published leave them out.
CREATE INDEX "Item_erased_idx" ON "Item" ("projectId", "id") WHERE "erasedAt" IS NOT NULL;
