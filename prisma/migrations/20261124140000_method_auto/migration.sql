-- Runs whose method is chosen by measurement, and the learned methods beyond the paper's.
ALTER TYPE "ClusterMethod" ADD VALUE IF NOT EXISTS 'AUTO' BEFORE 'GCN_V';
ALTER TYPE "ClusterMethod" ADD VALUE IF NOT EXISTS 'CDP_VOTED' AFTER 'CDP';
ALTER TYPE "ClusterMethod" ADD VALUE IF NOT EXISTS 'STRUCTURE' AFTER 'LTC';
