startCharts();
startTables();
startViewer();
